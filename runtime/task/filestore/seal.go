package filestore

import (
	"encoding/binary"
	"hash/crc32"
)

// A record of the file is a key and a value in the bolt bucket of its name. The
// key has a byte 'k' before it, because bolt knows no empty keys; the value has
// four bytes before it: CRC-32C, little endian, of the bucket's name, a zero
// byte, the key as it is in the file, and the value. With bucket and key in it,
// a value that has come to stand under another key is found out too.
const (
	keyMark  = 'k'
	sealSize = 4
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// fileKey returns a key as it is in the file.
func fileKey(key string) []byte {
	k := make([]byte, 1, 1+len(key))
	k[0] = keyMark
	return append(k, key...)
}

// seed returns the checksum of what comes before the key.
func seed(bucket string) uint32 {
	return crc32.Checksum(append([]byte(bucket), 0), castagnoli)
}

func checksum(seed uint32, key, value []byte) uint32 {
	return crc32.Update(crc32.Update(seed, castagnoli, key), castagnoli, value)
}

// seal returns a value as it is in the file.
func seal(seed uint32, key, value []byte) []byte {
	sealed := make([]byte, sealSize, sealSize+len(value))
	binary.LittleEndian.PutUint32(sealed, checksum(seed, key, value))
	return append(sealed, value...)
}

// unseal returns the value within what is in the file. ok is false when it is
// not what was written.
func unseal(seed uint32, key, sealed []byte) (value []byte, ok bool) {
	if len(key) == 0 || key[0] != keyMark || len(sealed) < sealSize {
		return nil, false
	}
	value = sealed[sealSize:]
	return value, binary.LittleEndian.Uint32(sealed) == checksum(seed, key, value)
}
