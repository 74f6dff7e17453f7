// Package verifier is a part of the third program of the notes, word for word.
package verifier

import (
	"fmt"
	"os"
	"your_module_name/checksum"
)

func VerifyLogChecksum(filename string) error {
	file, err := os.Open(filename)
	if err != nil {
		return err
	}
	defer file.Close()

	var (
		logEntry      string
		checksumValue string
	)

	for {
		_, err := fmt.Fscanf(file, "%s %s\n", &logEntry, &checksumValue)
		if err != nil {
			break
		}

		computedChecksum := checksum.ComputeChecksum([]byte(logEntry))
		if computedChecksum != checksumValue {
			return fmt.Errorf("checksum verification failed for log entry: %s", logEntry)
		}
	}

	return nil
}
