// Package rename is the first program of the notes, word for word but for the name of its
// package: a file is replaced by a rename.
package rename

import (
	"fmt"
	"os"
	"time"
)

func ferr(stage string, err error) {
	if err != nil {
		fmt.Printf("%s: %s\n", stage, err)
	} else {
		fmt.Println(stage)
	}
}

func Atomnic_Renaming(path string, data []byte) error {
	file := path + "test_Atomnic_Renaming.txt"
	randomFileTemp := fmt.Sprintf("%s.tmp.%d", file, time.Now().UnixNano())

	fp, err := os.OpenFile(randomFileTemp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0644)
	if err != nil {
		ferr("OpenFile", err)
		return err
	}

	_, err = fp.Write(data)
	if err != nil {
		ferr("Write", err)
		fp.Close()
		return err
	}

	err = fp.Sync()
	if err != nil {
		ferr("Sync", err)
		fp.Close()
		return err
	}

	err = fp.Close()
	if err != nil {
		ferr("Close", err)
		return err
	}

	time.Sleep(100 * time.Millisecond)

	err = os.Rename(randomFileTemp, file)
	if err != nil {
		ferr("Rename", err)
		return err
	}

	ferr("Operation successful", nil)
	return nil
}
