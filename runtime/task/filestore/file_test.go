package filestore_test

import (
	"encoding/binary"
	"hash/fnv"
	"os"
	"testing"
)

func read(tb testing.TB, path string) []byte {
	tb.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		tb.Fatal(err)
	}
	return data
}

func write(tb testing.TB, path string, data []byte) {
	tb.Helper()
	if err := os.WriteFile(path, data, 0o600); err != nil {
		tb.Fatal(err)
	}
}

// resum makes the checksum of the meta page at an offset right again.
func resum(data []byte, at int) {
	if at+80 > len(data) {
		return
	}
	sum := fnv.New64a()
	sum.Write(data[at+16 : at+16+56])
	binary.NativeEndian.PutUint64(data[at+16+56:], sum.Sum64())
}

// Offsets of what is in a meta page, from its begin.
const (
	metaRoot     = 16 + 16
	metaFreelist = 16 + 32
	metaPages    = 16 + 40
	metaTxid     = 16 + 48
)

// newest returns where the newest meta page of a whole file is.
func newest(data []byte) int {
	size := os.Getpagesize()
	if binary.NativeEndian.Uint64(data[metaTxid:]) > binary.NativeEndian.Uint64(data[size+metaTxid:]) {
		return 0
	}
	return size
}

func number(data []byte, at int) uint64 { return binary.NativeEndian.Uint64(data[at:]) }

func setNumber(data []byte, at int, n uint64) { binary.NativeEndian.PutUint64(data[at:], n) }
