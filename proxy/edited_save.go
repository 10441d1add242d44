package proxy

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"

	"yiqiao/transform"
)

// Preview is what a file of a pack would change if it was saved.
type Preview struct {
	// Digest is that of the rules with the file; SaveEdit wants it back, so that
	// nobody saves what he has not seen the effect of.
	Digest   string               `json:"digest,omitempty"`
	Problems transform.Problems   `json:"-"` // of all that the site uses; with an error there is no Digest
	Effect   *transform.Rehearsal `json:"effect,omitempty"`
	Result   []string             `json:"result,omitempty"` // Effect in words
}

// ErrStale says that what a person saw is not what would be saved now.
var ErrStale = errors.New("the site's files have changed since they were looked at")

// editName is how a file of a pack is called: no way out of its folder.
var editName = regexp.MustCompile(`^([\pL\pN][\pL\pN_-]*)/(_?[\pL\pN][\pL\pN_-]*)\.yaml$`)

// PreviewEdit tries a file, as if it was saved, on the last events of each
// source.
func (p *Proxy) PreviewEdit(ctx context.Context, name string, text []byte) (*Preview, error) {
	if !editName.MatchString(name) {
		return nil, fmt.Errorf("want a file name like hikvision/access.yaml, got %.80q", name)
	}
	rules, problems := p.Edited(map[string][]byte{name: text})
	out := &Preview{Problems: problems}
	if rules == nil {
		return out, nil
	}
	old := p.gen.Load()
	out.Digest = rules.Digest
	out.Effect = p.rehearse(ctx, old, &Generation{Number: old.Number + 1, Config: old.Config, Rules: rules})
	out.Result = append([]string{out.Effect.Headline()}, out.Effect.Lines()...)
	return out, nil
}

// SaveEdit writes a file into the site's mappings and reloads. seen is the
// Digest of the Preview that the person saw, base what TextDigest says of the
// text that he began with (empty: there was no such file). Where the site
// wants it, the new generation waits for a person still.
func (p *Proxy) SaveEdit(ctx context.Context, name string, text []byte, base, seen string) error {
	now, err := p.PreviewEdit(ctx, name, text)
	if err != nil {
		return err
	}
	if now.Digest == "" {
		return now.Problems.Errors()
	}
	p.saving.Lock()
	defer p.saving.Unlock()
	if now.Digest != seen {
		return fmt.Errorf("%w: look at the difference again", ErrStale)
	}
	if old, err := p.ReadPackFile(name); err == nil && TextDigest(old) != base {
		return fmt.Errorf("%w: %s was saved by somebody else, open it again", ErrStale, name)
	}
	file := filepath.Join(p.site.Dir, "mappings", filepath.FromSlash(name))
	if err := replaceFile(file, text); err != nil {
		return fmt.Errorf("%s is not saved: %w", name, err)
	}
	p.log.InfoContext(ctx, "a mapping was saved from the console", "file", file)
	p.Reload(ctx, "saved from the console")
	return nil
}

// TextDigest tells two texts of a file apart: 16 hex digits.
func TextDigest(text []byte) string {
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:8])
}

// replaceFile writes a file aside and puts it in its place in one step: a
// reload never reads half of it.
func replaceFile(name string, data []byte) error {
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(name), ".saving-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // there is none if all went well
	_, err = f.Write(data)
	if err = errors.Join(err, f.Chmod(0o644), f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), name)
}
