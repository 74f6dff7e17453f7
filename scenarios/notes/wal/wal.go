// Command wal is the fourth program of the notes, word for word: a log is written ahead of the
// file, and read by nobody.
package main

import (
	"fmt"
	"os"
	"syscall"
)

func fsyncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	return syscall.Fsync(int(f.Fd()))
}

func WriteAheadLog(path string, data []byte) error {
	logFile := path + "logfile.txt"
	dataFile := path + "datafile.txt"

	fp, err := os.OpenFile(logFile, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0644)
	if err != nil {
		return err
	}

	_, err = fp.Write(data)
	if err != nil {
		fp.Close()
		return err
	}

	err = fp.Sync()
	if err != nil {
		fp.Close()
		return err
	}

	err = fp.Close()
	if err != nil {
		return err
	}

	fp, err = os.OpenFile(dataFile, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0644)
	if err != nil {
		return err
	}

	_, err = fp.Write(data)
	if err != nil {
		fp.Close()
		return err
	}

	err = fp.Sync()
	if err != nil {
		fp.Close()
		return err
	}

	err = fp.Close()
	if err != nil {
		return err
	}

	err = fsyncDir(path)
	if err != nil {
		return err
	}

	return nil
}

func main() {
	path := "./"
	data := []byte("Write-ahead logging example data")

	err := WriteAheadLog(path, data)
	if err != nil {
		fmt.Println("Error:", err)
	} else {
		fmt.Println("Data written and synced successfully")
	}
}
