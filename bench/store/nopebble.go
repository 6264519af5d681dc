//go:build !pebble

package main

import "errors"

func openPebble(string) (store, error) {
	return nil, errors.New("this program was built without the tag pebble")
}
