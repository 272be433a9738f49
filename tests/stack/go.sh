#!/bin/sh
# Builds a Go program of a module, and says first of how many packages: go.sh FOLDER LDFLAGS PROGRAM PACKAGE
set -eu
cd "$1"
go mod download
echo "packages: $(go list -deps "$4" | wc -l)"
go build -v -ldflags "$2" -o "$3" "$4"
# The linker leaves a file alone that it would write again as it is.
touch "$3"
