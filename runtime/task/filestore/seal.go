package filestore

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"

	"github.com/molecule-ai/workspace-runtime-go/runtime/task"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// seal adds a checksum to a value. It covers where the value belongs, so that
// one that has come to another place is not taken for that place's.
func seal(b task.Bucket, key string, value []byte) []byte {
	sealed := make([]byte, 0, len(value)+4)
	sealed = append(sealed, value...)
	return binary.LittleEndian.AppendUint32(sealed, checksum(b, key, value))
}

func checksum(b task.Bucket, key string, value []byte) uint32 {
	sum := crc32.Checksum([]byte(string(b)+"\x00"+key+"\x00"), castagnoli)
	return crc32.Update(sum, castagnoli, value)
}

// unseal returns a copy of the value.
func (s *Store) unseal(b task.Bucket, key string, sealed []byte) ([]byte, error) {
	n := len(sealed) - 4
	if n < 0 || checksum(b, key, sealed[:n]) != binary.LittleEndian.Uint32(sealed[n:]) {
		return nil, fmt.Errorf("%w: %s: the value of %.80q in %s is not what was written", ErrCorrupt, s.path, key, b)
	}
	return append(make([]byte, 0, n), sealed[:n]...), nil
}
