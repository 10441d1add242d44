// Package mappings holds the bundled vendor packs: for each vendor a folder
// with source.yaml, its mappings, their cases, and the tables that the cases
// are run with.
//
// A site adds to them or replaces a file by one of the same name in its own
// mappings folder.
package mappings

import "embed"

// FS holds <vendor>/source.yaml, <vendor>/<event>.yaml,
// <vendor>/<event>.cases/* and <vendor>/tables/*.csv.
//
//go:embed */*.yaml */*.cases/* */tables/*.csv
var FS embed.FS
