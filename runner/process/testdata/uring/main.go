// Command uring writes and syncs a file by io_uring: three calls that never pass
// through write(2) or fsync(2). Exit status 77 says that there is no io_uring.
package main

import (
	"encoding/binary"
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Layout of what linux/io_uring.h defines, in bytes.
const (
	paramsSize = 120
	sqOffsets  = 40
	cqOffsets  = 80
	entrySize  = 64

	sqesOffset = 0x10000000

	opFsync = 3
	opWrite = 23
)

func check(err error) {
	if err != nil {
		panic(err)
	}
}

func main() {
	var params [paramsSize]byte
	fd, _, errno := unix.Syscall(unix.SYS_IO_URING_SETUP, 4, uintptr(unsafe.Pointer(&params)), 0)
	if errno != 0 {
		fmt.Fprintln(os.Stderr, errno)
		os.Exit(77)
	}
	le := binary.LittleEndian
	sq := func(i int) uint32 { return le.Uint32(params[sqOffsets+4*i:]) } // head tail mask entries flags dropped array
	cq := func(i int) uint32 { return le.Uint32(params[cqOffsets+4*i:]) } // head tail mask entries overflow cqes
	ring, err := unix.Mmap(int(fd), 0, 4096*4, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_POPULATE)
	check(err)
	entries, err := unix.Mmap(int(fd), sqesOffset, 4*entrySize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_POPULATE)
	check(err)

	file, err := unix.Open("f", unix.O_CREAT|unix.O_WRONLY, 0o600)
	check(err)
	text := []byte("text")
	submit := func(op byte, offset uint64, data []byte, flags uint32) {
		tail := le.Uint32(ring[sq(1):])
		slot := tail & le.Uint32(ring[sq(2):])
		e := entries[slot*entrySize:][:entrySize]
		clear(e)
		e[0] = op
		le.PutUint32(e[4:], uint32(file))
		le.PutUint64(e[8:], offset)
		if data != nil {
			le.PutUint64(e[16:], uint64(uintptr(unsafe.Pointer(&data[0]))))
			le.PutUint32(e[24:], uint32(len(data)))
		}
		le.PutUint32(e[28:], flags)
		le.PutUint32(ring[sq(6)+4*slot:], slot)
		le.PutUint32(ring[sq(1):], tail+1)
		_, _, errno := unix.Syscall6(unix.SYS_IO_URING_ENTER, fd, 1, 1, 1, 0, 0) // submit one, wait for one
		if errno != 0 {
			panic(errno)
		}
		head := le.Uint32(ring[cq(0):])
		result := int32(le.Uint32(ring[cq(5)+16*(head&le.Uint32(ring[cq(2):]))+8:]))
		if result < 0 {
			panic(unix.Errno(-result))
		}
		le.PutUint32(ring[cq(0):], head+1)
	}
	submit(opWrite, 0, text, 0)
	submit(opFsync, 0, nil, 0)
	submit(opWrite, 4, text, unix.RWF_DSYNC)
	submit(opFsync, 0, nil, 1) // fdatasync
	fmt.Println("saved")
}
