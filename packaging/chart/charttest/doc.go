// Package charttest tests the Helm chart of Boreas: it renders the chart with several sets of values
// from testdata, decodes each object strictly into the types of Kubernetes, and gives the rendered
// configuration to the program.
//
// The program in pack makes the archive of the chart.
package charttest
