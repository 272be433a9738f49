#!/bin/sh
# Builds a Go program of a module, and first prints the number of packages: go.sh FOLDER LDFLAGS PROGRAM PACKAGE
set -eu
cd "$1"
go mod download
echo "packages: $(go list -deps "$4" | wc -l)"
go build -v -ldflags "$2" -o "$3" "$4"
# The linker does not write a file that would be unchanged, so its time is updated here.
touch "$3"
