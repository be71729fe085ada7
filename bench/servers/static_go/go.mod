module netd/bench/static

go 1.19
