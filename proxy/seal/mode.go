package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/subtle"
)

// The nonce and the tag of GCM, in bytes, as every implementation defaults to.
const (
	nonceSize = 12
	tagSize   = 16
)

// mode of a block cipher with blocks of sixteen bytes.
type mode struct {
	name string
	iv   int             // bytes of the IV; 0: none
	size func(n int) int // bytes of the ciphertext of n bytes, without IV
	open func(block cipher.Block, iv, box []byte) (doc []byte, ok bool)
}

func modes() []mode {
	return []mode{
		{"ecb", 0, padded, openECB},
		{"cbc", aes.BlockSize, padded, openCBC},
		{"gcm", nonceSize, func(n int) int { return n + tagSize }, openGCM},
	}
}

func padded(n int) int { return n + aes.BlockSize - n%aes.BlockSize }

func openECB(block cipher.Block, _, box []byte) ([]byte, bool) {
	if !whole(box) {
		return nil, false
	}
	for b := box; len(b) > 0; b = b[aes.BlockSize:] {
		block.Decrypt(b, b)
	}
	return unpad(box)
}

func openCBC(block cipher.Block, iv, box []byte) ([]byte, bool) {
	if !whole(box) {
		return nil, false
	}
	cipher.NewCBCDecrypter(block, iv).CryptBlocks(box, box)
	return unpad(box)
}

func openGCM(block cipher.Block, iv, box []byte) ([]byte, bool) {
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, false
	}
	doc, err := aead.Open(box[:0], iv, box, nil)
	return doc, err == nil
}

func whole(box []byte) bool { return len(box) > 0 && len(box)%aes.BlockSize == 0 }

// unpad takes PKCS#7 padding off. It looks at the whole last block whatever it
// holds, so that its time does not tell how far a forged padding was right.
func unpad(box []byte) ([]byte, bool) {
	n := len(box)
	last := int(box[n-1])
	good := subtle.ConstantTimeLessOrEq(1, last) & subtle.ConstantTimeLessOrEq(last, aes.BlockSize)
	for i := range aes.BlockSize {
		padding := subtle.ConstantTimeLessOrEq(i+1, last)
		same := subtle.ConstantTimeByteEq(box[n-1-i], byte(last))
		good &= 1 ^ padding&(1^same)
	}
	if good != 1 {
		return nil, false
	}
	return box[:n-last], true
}
