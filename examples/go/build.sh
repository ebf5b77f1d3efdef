#!/bin/sh
# Builds inspect.go: build.sh OUTPUT. With Debian's packages:
#     apt install golang-go golang-google-grpc-dev golang-goprotobuf-dev protobuf-compiler
# They lie in a GOPATH. Where modules can be fetched, protoc-gen-go and protoc-gen-go-grpc of today do as well.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
output=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/src/edgeagent/lookoutvision" "$work/src/edgeagent/inspect"
protoc -I "$here/../../proto" \
  --go_out="plugins=grpc,Medge-agent.proto=edgeagent/lookoutvision:$work/src/edgeagent/lookoutvision" \
  "$here/../../proto/edge-agent.proto"
cp "$here/inspect.go" "$work/src/edgeagent/inspect/"
GO111MODULE=off GOFLAGS= GOPATH="$work:/usr/share/gocode" GOCACHE="${GOCACHE:-$work/cache}" go build -o "$output" edgeagent/inspect
