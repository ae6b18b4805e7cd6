// Package orttest makes ONNX Runtime ready for tests.
package orttest

import (
	"testing"

	"rkd/models/ort"
)

// Start loads the library that `make setup` installed, or the one that $ONNXRUNTIME_LIB names. Without one the test
// fails: a test that needs the runtime is not skipped.
func Start(tb testing.TB) {
	tb.Helper()
	cacheDir, err := ort.CacheDir()
	if err != nil {
		tb.Fatal(err)
	}
	library, err := ort.Find("", cacheDir)
	if err != nil {
		tb.Fatal(err)
	}
	if err := ort.Init(library); err != nil {
		tb.Fatal(err)
	}
}
