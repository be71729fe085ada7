from twisted.application.service import ServiceMaker

netd = ServiceMaker("netd", "netd.tap", "A network workbench daemon.", "netd")
