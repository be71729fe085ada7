// Go's static files: net/http's FileServer, and nothing else.
//
// Rules: nothing of netd, only the standard library, so that it builds without a network.
package main

import (
	"log"
	"net/http"
	"os"
)

// main serves ARGS[2] at the address ARGS[1]; certificate and key behind them make it TLS.
func main() {
	files := http.FileServer(http.Dir(os.Args[2]))
	if len(os.Args) > 4 {
		log.Fatal(http.ListenAndServeTLS(os.Args[1], os.Args[3], os.Args[4], files))
	}
	log.Fatal(http.ListenAndServe(os.Args[1], files))
}
