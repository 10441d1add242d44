// Package mappings holds the bundled vendor packs: for each vendor a folder
// with source.yaml, its mappings, their cases, the tables that the cases are
// run with, and README.zh-CN.md: how to point the device here.
//
// A site adds to them or replaces a file by one of the same name in its own
// mappings folder.
package mappings

import "embed"

// FS holds <vendor>/source.yaml, <vendor>/<event>.yaml,
// <vendor>/<event>.cases/*, <vendor>/tables/*.csv and <vendor>/README.zh-CN.md.
//
//go:embed */*.yaml */*.md */*.cases/* */tables/*.csv
var FS embed.FS
