// Package logger is a part of the third program of the notes, word for word: a log whose
// entries have a checksum.
package logger

import (
	"fmt"
	"os"
	"your_module_name/checksum"
	"your_module_name/verifier"
)

func WriteLogWithChecksum(filename, logEntry string) error {
	checksumValue := checksum.ComputeChecksum([]byte(logEntry))
	file, err := os.OpenFile(filename, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0644)
	if err != nil {
		return err
	}
	defer file.Close()

	_, err = file.WriteString(fmt.Sprintf("%s %s\n", logEntry, checksumValue))
	if err != nil {
		return err
	}

	err = verifier.VerifyLogChecksum(filename)
	if err != nil {
		return fmt.Errorf("log verification failed: %w", err)
	}

	return nil
}
