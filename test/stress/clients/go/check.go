// Compiled into each program of this folder.
package main

func check(err error) {
	if err != nil {
		panic(err)
	}
}

func expect(condition bool, text string) {
	if !condition {
		panic("not so: " + text)
	}
}
