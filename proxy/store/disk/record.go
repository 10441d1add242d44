package disk

import (
	"encoding/binary"
	"encoding/json"
	"hash/crc32"

	"yiqiao/proxy/store"
)

// A record of the log is an entry with everything that its row in the index
// is made of, so that the index can be made anew:
//
//	magic u32 | crc of the rest of the head and of meta u32 | crc of body u32 |
//	flags u32 | length of meta u32 | length of body u32 | number u64 | meta (JSON) | body
//
// padded to a multiple of 8 bytes. Integers are big-endian, sums are CRC-32C.
// Numbers ascend in the order of writing, over the segments of both classes.
const (
	recordMagic = 0x79710a01 // "yq\n\x01": no text holds it by chance
	recordHead  = 32
	maxMeta     = 1 << 20

	flagMoved = 1 // a copy of a record that stood elsewhere
	flagMore  = 2 // the next record was admitted with this one: both or none
	flagRest  = 4 // so was the one before
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// meta describes an entry in the log. Times are nanoseconds since 1970.
type meta struct {
	ID       string        `json:"id"`
	Key      []byte        `json:"key,omitempty"`
	Expires  int64         `json:"expires,omitempty"`
	Lane     string        `json:"lane"`
	Labels   store.Labels  `json:"labels"`
	Dead     *store.Reason `json:"dead,omitempty"`
	Admitted int64         `json:"admitted"`
	Replaces string        `json:"replaces,omitempty"` // the dead letter that it took the place of
	Seq      int64         `json:"seq,omitempty"`      // of a copy: the number of the first record
	Attempts int           `json:"attempts,omitempty"` // of a copy
	metaRegistry
}

// record is one that is to be written: its head with meta, and its body.
type record struct {
	meta meta
	head []byte
	body []byte
	crc  uint32 // of the body
}

func newRecord(m meta, flags uint32, body []byte) (record, error) {
	text, err := json.Marshal(&m)
	if err != nil {
		return record{}, err
	}
	r := record{meta: m, head: make([]byte, recordHead, recordHead+len(text)), body: body, crc: crc32.Checksum(body, castagnoli)}
	r.head = append(r.head, text...)
	h := r.head
	binary.BigEndian.PutUint32(h, recordMagic)
	binary.BigEndian.PutUint32(h[8:], r.crc)
	binary.BigEndian.PutUint32(h[12:], flags)
	binary.BigEndian.PutUint32(h[16:], uint32(len(text)))
	binary.BigEndian.PutUint32(h[20:], uint32(len(body)))
	return r, nil
}

// finish gives the record its number and more flags.
func (r *record) finish(number int64, flags uint32) {
	h := r.head
	binary.BigEndian.PutUint32(h[12:], binary.BigEndian.Uint32(h[12:])|flags)
	binary.BigEndian.PutUint64(h[24:], uint64(number))
	binary.BigEndian.PutUint32(h[4:], crc32.Checksum(h[8:], castagnoli))
	if r.meta.Seq == 0 {
		r.meta.Seq = number
	}
}

// size is how many bytes of the log the record takes.
func (r *record) size() int64 { return padded(int64(len(r.head) + len(r.body))) }

func padded(n int64) int64 { return (n + 7) &^ 7 }

// head is what the beginning of a record says.
type head struct {
	crc, bodyCRC, flags uint32
	meta, body          int64 // lengths
	number              int64
}

// readHead reads a head; ok tells whether it can be one at all.
func readHead(b []byte) (h head, ok bool) {
	if len(b) < recordHead || binary.BigEndian.Uint32(b) != recordMagic {
		return h, false
	}
	h = head{
		crc: binary.BigEndian.Uint32(b[4:]), bodyCRC: binary.BigEndian.Uint32(b[8:]), flags: binary.BigEndian.Uint32(b[12:]),
		meta: int64(binary.BigEndian.Uint32(b[16:])), body: int64(binary.BigEndian.Uint32(b[20:])),
		number: int64(binary.BigEndian.Uint64(b[24:])),
	}
	return h, h.meta <= maxMeta && h.number > 0
}

func (h *head) size() int64 { return padded(recordHead + h.meta + h.body) }
