// Observe writes dashboard.json, a dashboard for Grafana 10 or later. Run it in this folder after a
// change of panels.go:
//
//	go run .
//
// The folder also has rules for Prometheus. Its tests compare the expressions of both with the
// metrics of a server. It is a separate module, so that the main module does not depend on the parser
// of Prometheus.
package main

import (
	"fmt"
	"os"
)

const dashboardFile = "dashboard.json"

func main() {
	text, err := dashboard()
	if err == nil {
		err = os.WriteFile(dashboardFile, text, 0o644)
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "observe: writing %s: %v\n", dashboardFile, err)
		os.Exit(1)
	}
}
