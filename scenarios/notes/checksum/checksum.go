// Package checksum is a part of the third program of the notes, word for word.
package checksum

import (
	"crypto/sha256"
	"encoding/hex"
)

func ComputeChecksum(data []byte) string {
	hash := sha256.Sum256(data)
	return hex.EncodeToString(hash[:])
}
