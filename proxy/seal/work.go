package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"iter"
)

// chunk is the size of the scratch: small enough for the first cache, and a
// multiple of 48, so that neither an AES block (16) nor a Base64 group (3) is
// ever cut.
const chunk = 12 << 10

// work is the scratch of one Seal. It is pooled together with its two yield
// functions, so that streaming a document allocates nothing.
type work struct {
	buf   [chunk]byte
	used  int // bytes of buf that are filled
	clear int // leading bytes of buf that are not encrypted: the IV

	want, taken int  // bytes of the document: announced, received
	over        bool // more than announced were offered

	key      *session
	cbc      cipher.BlockMode // nil: ecb
	out      encoding
	dst      []byte // the envelope so far
	tail     []byte // gcm: where the document is gathered
	iv       [aes.BlockSize]byte
	randomIV int // bytes of iv to be drawn
	prefix   int // bytes of iv that travel
	ivSize   int

	chunked, gathered func([]byte) bool
}

func newWork() *work {
	w := new(work)
	w.chunked = w.takeChunked
	w.gathered = w.takeGathered
	return w
}

// start readies w for one record. Only a random IV is left for the caller.
func (w *work) start(s *Sealer, key *session, n int) {
	w.used, w.clear, w.taken, w.want, w.over = 0, 0, 0, n, false
	w.key, w.out = key, s.out
	w.iv = [aes.BlockSize]byte{}
	w.ivSize, w.randomIV, w.prefix = s.mode.iv, 0, s.prefix()
	switch s.iv {
	case "prefix":
		w.randomIV = s.mode.iv
	case "key":
		copy(w.iv[:s.mode.iv], key.key)
	}
}

// forget lets go of what does not belong to the pool.
func (w *work) forget() {
	w.key, w.cbc, w.dst, w.tail = nil, nil, nil, nil
}

// orMore qualifies taken in an error: a document that is too long is not read
// to its end.
func (w *work) orMore() string {
	if w.over {
		return "more than "
	}
	return ""
}

// stream seals by ecb or cbc, or with no block cipher at all, chunk by chunk.
func (w *work) stream(dst []byte, doc iter.Seq[[]byte]) []byte {
	w.dst = dst
	if w.key.block != nil && w.ivSize > 0 {
		w.cbc = cipher.NewCBCEncrypter(w.key.block, w.iv[:w.ivSize])
		w.clear = copy(w.buf[:], w.iv[:w.prefix])
		w.used = w.clear
	}
	doc(w.chunked)
	if w.key.block != nil {
		w.pad()
	}
	w.flush()
	return w.dst
}

func (w *work) takeChunked(piece []byte) bool {
	if !w.account(piece) {
		return false
	}
	for len(piece) > 0 {
		k := copy(w.buf[w.used:], piece)
		piece = piece[k:]
		if w.used += k; w.used == chunk {
			w.flush()
		}
	}
	return true
}

// account refuses what goes beyond the announced length, because the buffer was
// measured by it.
func (w *work) account(piece []byte) bool {
	if w.over || len(piece) > w.want-w.taken {
		w.over, w.taken = true, w.want
		return false
	}
	w.taken += len(piece)
	return true
}

// pad is PKCS#7: one to sixteen bytes, each the number of them. There is room:
// a full chunk has been flushed and used is below it, and both are multiples of
// sixteen.
func (w *work) pad() {
	n := aes.BlockSize - w.used%aes.BlockSize
	for range n {
		w.buf[w.used] = byte(n)
		w.used++
	}
}

func (w *work) flush() {
	data := w.buf[w.clear:w.used]
	switch {
	case w.key.block == nil:
	case w.cbc != nil:
		w.cbc.CryptBlocks(data, data)
	default:
		for len(data) > 0 {
			w.key.block.Encrypt(data, data)
			data = data[aes.BlockSize:]
		}
	}
	w.dst = w.out.append(w.dst, w.buf[:w.used])
	w.used, w.clear = 0, 0
}

// whole seals by gcm, which is one shot. The document is gathered at the end of
// the room that its text form will fill, sealed there, and then encoded towards
// the front. Encoding grows, but never catches up with what is still to be read:
// after i bytes it has written at most i + (size - raw bytes).
func (w *work) whole(dst []byte, doc iter.Seq[[]byte]) []byte {
	length := w.prefix + w.want + w.key.aead.Overhead()
	size := w.out.size(length)
	raw := dst[len(dst) : len(dst)+size][size-length:]
	copy(raw, w.iv[:w.prefix])
	body := raw[w.prefix:]
	w.tail = body[:0]
	doc(w.gathered)
	if w.over || w.taken != w.want {
		return dst
	}
	w.key.aead.Seal(body[:0], w.iv[:w.ivSize], body[:w.want], nil)
	for len(raw) > 0 {
		k := copy(w.buf[:], raw)
		raw = raw[k:]
		dst = w.out.append(dst, w.buf[:k])
	}
	return dst
}

func (w *work) takeGathered(piece []byte) bool {
	if !w.account(piece) {
		return false
	}
	w.tail = append(w.tail, piece...)
	return true
}
