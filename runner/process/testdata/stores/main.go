// Command stores maps files and does what its arguments say, in order: stores,
// syncs, and calls that come between them. Each argument is a word and what it
// needs: map FILE, store FILE OFFSET TEXT, msync FILE OFFSET LENGTH, fsync FILE,
// read FILE OFFSET, write FILE OFFSET TEXT, truncate FILE SIZE, mkdir NAME,
// rename OLD NEW, unlink NAME, unmap FILE, close FILE, sync, child ARGUMENT...
// (a process of its own, with files that it maps itself), print TEXT.
package main

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// file is a file that is mapped.
type file struct {
	fd   int
	data []byte
}

var files = map[string]*file{}

func check(err error) {
	if err != nil {
		panic(err)
	}
}

func number(s string) int {
	n, err := strconv.Atoi(s)
	check(err)
	return n
}

func main() {
	for i, arg := range os.Args[1:] {
		words := strings.Fields(arg)
		if words[0] == "child" {
			self, err := os.Executable()
			check(err)
			cmd := exec.Command(self, os.Args[i+2:]...)
			cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
			check(cmd.Run())
			return
		}
		do(words[0], words[1:])
	}
}

func do(word string, args []string) {
	var f *file
	if len(args) > 0 {
		f = files[args[0]]
	}
	switch word {
	case "map":
		fd, err := unix.Open(args[0], unix.O_RDWR, 0)
		check(err)
		var st unix.Stat_t
		check(unix.Fstat(fd, &st))
		data, err := unix.Mmap(fd, 0, int(st.Size), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
		check(err)
		files[args[0]] = &file{fd, data}
	case "store":
		copy(f.data[number(args[1]):], args[2])
	case "msync":
		check(unix.Msync(f.data[number(args[1]):][:number(args[2])], unix.MS_SYNC))
	case "fsync":
		check(unix.Fsync(f.fd))
	case "read":
		_, err := unix.Pread(f.fd, make([]byte, 10), int64(number(args[1])))
		check(err)
	case "write":
		_, err := unix.Pwrite(f.fd, []byte(args[2]), int64(number(args[1])))
		check(err)
	case "truncate":
		check(unix.Ftruncate(f.fd, int64(number(args[1]))))
	case "mkdir":
		check(unix.Mkdir(args[0], 0o700))
	case "rename":
		check(unix.Rename(args[0], args[1]))
	case "unlink":
		check(unix.Unlink(args[0]))
	case "unmap":
		check(unix.Munmap(f.data))
	case "close":
		check(unix.Close(f.fd))
	case "sync":
		unix.Sync()
	case "print":
		fmt.Println(args[0])
	default:
		panic(word)
	}
}
