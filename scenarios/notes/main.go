// Command your_module_name is the third program of the notes, word for word. The module has
// the name that the notes give it.
package main

import (
	"fmt"
	"your_module_name/logger"
)

func main() {
	logFile := "log.txt"
	logEntry := "This is a test log entry."

	err := logger.WriteLogWithChecksum(logFile, logEntry)
	if err != nil {
		fmt.Println("Error:", err)
	} else {
		fmt.Println("Log written and verified successfully")
	}
}
