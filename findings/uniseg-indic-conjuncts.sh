#!/usr/bin/env bash
# github.com/rivo/uniseg v0.4.7 (the usual grapheme library of Go programs) splits Indic conjuncts, which Unicode has kept
# together since version 15.1 (rule GB9c of UAX #29): "नमस्ते" has four letters for it and three for
# github.com/clipperhouse/uax29/v2 v2.7.0 and for browsers (Intl.Segmenter of ICU 74 or newer). A server that cuts a name
# with it ends in half a letter on the page. Needs Go.
#
# Seen:
#   uniseg 0.4.7: न|म|स्|ते
#   uax29 2.7.0: न|म|स्ते
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
cat >main.go <<'GO'
package main

import (
	"fmt"
	"strings"

	"github.com/clipperhouse/uax29/v2/graphemes"
	"github.com/rivo/uniseg"
)

func main() {
	const name = "नमस्ते"
	var letters []string
	for of := uniseg.NewGraphemes(name); of.Next(); {
		letters = append(letters, of.Str())
	}
	fmt.Println("uniseg 0.4.7:", strings.Join(letters, "|"))
	letters = nil
	for of := graphemes.FromString(name); of.Next(); {
		letters = append(letters, of.Value())
	}
	fmt.Println("uax29 2.7.0:", strings.Join(letters, "|"))
}
GO
go mod init finding >/dev/null 2>&1
go get github.com/rivo/uniseg@v0.4.7 github.com/clipperhouse/uax29/v2@v2.7.0 >/dev/null 2>&1
got=$(go run .)
want=$'uniseg 0.4.7: न|म|स्|ते\nuax29 2.7.0: न|म|स्ते'
printf '%s\n' "$got"
[ "$got" = "$want" ] || { echo "the behaviour has changed" >&2; exit 1; }
