package proxy

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"

	"yiqiao/proxy/store"
	"yiqiao/transform"
)

// Exported is the original of an entry as a captured request (.http), which
// `yiqiao map` and `yiqiao dead import` read. It is not sealed.
type Exported struct {
	Info    store.Info
	Capture []byte
}

// Export hands out the originals of all entries, waiting and dead, in order of
// admission. An event that gave several records is handed out once. Entries
// that cannot be opened are passed over and joined in the error.
func Export(ctx context.Context, st store.Store, v *Vault, each func(Exported) error) error {
	var unread []error
	seen := map[[sha256.Size]byte]bool{}
	for f := (store.Filter{Limit: 1000}); ; {
		infos, err := st.List(ctx, f)
		if err != nil {
			return err
		}
		for i := range infos {
			capture, err := OriginalOf(ctx, st, v, infos[i].ID)
			if errors.Is(err, store.ErrNotFound) {
				continue // delivered meanwhile
			}
			if err != nil {
				unread = append(unread, fmt.Errorf("entry %q: %w", infos[i].ID, err))
				continue
			}
			if sum := sha256.Sum256(capture); !seen[sum] {
				seen[sum] = true
				if err := each(Exported{infos[i], capture}); err != nil {
					return err
				}
			}
		}
		if len(infos) < f.Limit {
			return errors.Join(unread...)
		}
		f.After = infos[len(infos)-1].ID
	}
}

// OriginalOf hands out the original of one entry.
func OriginalOf(ctx context.Context, st store.Store, v *Vault, id string) ([]byte, error) {
	sealed, err := st.Load(ctx, id, nil)
	if err != nil {
		return nil, err
	}
	plain, err := v.open(sealed, id)
	if err != nil {
		return nil, err
	}
	e, err := readEntry(plain)
	if err != nil {
		return nil, err
	}
	masked := e.head.Request.masked()
	q := masked.event()
	return transform.AppendInput(nil, &q, e.original), nil
}
