// Command cgo makes directories from C functions that Go calls, and from Go
// functions that C calls. Its arguments are their names.
package main

/*
#include <sys/stat.h>

extern void fromC(char *);

static __attribute__((noinline)) int make_one(const char *name) {
	int failed = mkdir(name, 0700); // line of make_one
	return failed + 1;
}

static int make_two(char *name) {
	char room[100];
	room[0] = 0;
	fromC(name);
	return room[0];
}
*/
import "C"

import "os"

//export fromC
func fromC(name *C.char) {
	if err := os.Mkdir(C.GoString(name), 0o700); err != nil { // line of fromC
		panic(err)
	}
}

//go:noinline
func callC(name string) {
	C.make_one(C.CString(name)) // line of callC
}

//go:noinline
func callBack(name string) {
	C.make_two(C.CString(name)) // line of callBack
}

func main() {
	callC(os.Args[1])
	callBack(os.Args[2])
}
