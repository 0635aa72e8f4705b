#!/bin/bash
# Runs structured-merge-diff's own tests with a recorder beside the code. In a chroot that holds Go and the library (see
# ../../README.md); FOLDER is made anew and gets merge.jsonl and typed.jsonl, for tests/oracle/record_suite.py.
#
#     record.sh WORK FOLDER        WORK: a folder for a copy of the library, which is thrown away
set -euo pipefail
HERE=$(cd "$(dirname "$0")" && pwd)
WORK=$1 FOLDER=$2
FROM=${SMD:-/usr/share/gocode/src/sigs.k8s.io/structured-merge-diff/v6}
TO=$WORK/src/sigs.k8s.io/structured-merge-diff/v6
rm -rf "$TO" "$FOLDER"
mkdir -p "$(dirname "$TO")" "$FOLDER"
cp -r "$FROM" "$TO"
cp "$HERE/record_typed.go.txt" "$TO/typed/record.go"
cp "$HERE/record_merge.go.txt" "$TO/merge/record.go"
cd "$TO"
# The recorders take the places of these functions, and call them by their new names.
sed -i -E 's/^func \(tv TypedValue\) (Validate|ToFieldSet|Merge|Compare|RemoveItems|ExtractItems)\(/func (tv TypedValue) \l\10(/' typed/typed.go
sed -i 's/^func ReconcileFieldSetWithSchema(/func reconcile0(/' typed/reconcile_schema.go
sed -i -E 's/^func \(s \*Updater\) (Update|Apply)\(/func (s *Updater) \l\10(/' merge/update.go
GOPATH=$WORK:${GOPATH:-/usr/share/gocode} GO111MODULE=off RECORD=$FOLDER go test -vet=off ./merge ./typed
