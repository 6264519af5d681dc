// Package composetest tests the files for Docker Compose: it reads them with the code of Compose,
// compares them with the options of the program and with the image, and starts the three nodes as
// processes of this machine.
package composetest
