package cache

import (
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestKeyHashIsOfCanonicalJSON(t *testing.T) {
	key := testKey(2, "")
	key.Preprocess = "a<b>&c"
	const canonical = `{"dataset":"3f2a4b5c6d7e8f90123456789abcdef0123456789abcdef0123456789abcdef0","dtype":"float32",` +
		`"format_version":1,"logits":"","model":"9c1b0f5a2d7e4c3b8a6f1e0d9c8b7a695847362514039281706f5e4d3c2b1a09",` +
		`"normalize":"l2","output":"embedding","preprocess":"a<b>&c","view_policy":"flip","view_seed":7,"views":2}`
	if diff := cmp.Diff(canonical, string(key.canonical(1))); diff != "" {
		t.Errorf("canonical JSON (-want +got):\n%s", diff)
	}
	// printf '%s' CANONICAL | sha256sum
	if want := "59278ecd38d066b388fe96fa43c80fb09b7c78fb71698fcf166051883c90d2d4"; key.hash(1) != want {
		t.Errorf("hash %s, want %s", key.hash(1), want)
	}
}

func TestKeyEveryFieldCounts(t *testing.T) {
	base := testKey(2, "logits")
	seen := map[string]string{base.Hash(): "nothing"}
	for i, name := range keyFields() {
		changed := base
		switch f := reflect.ValueOf(&changed).Elem().Field(i); f.Kind() {
		case reflect.String:
			f.SetString(f.String() + "x")
		case reflect.Int:
			f.SetInt(f.Int() + 1)
		case reflect.Uint64:
			f.SetUint(f.Uint() + 1)
		case reflect.Float64:
			f.SetFloat(f.Float() + 0.5)
		}
		if other, ok := seen[changed.Hash()]; ok {
			t.Errorf("a change of %s hashes like a change of %s", name, other)
		}
		seen[changed.Hash()] = name
		diffs := base.Diff(changed)
		if len(diffs) != 1 || diffs[0].Field != name || diffs[0].Have == diffs[0].Want {
			t.Errorf("a change of %s gives %v", name, diffs)
		}
	}
	if diffs := base.Diff(base); diffs != nil {
		t.Errorf("no change gives %v", diffs)
	}
}

func TestDifferenceIsShort(t *testing.T) {
	for _, tt := range []struct {
		d    Difference
		want string
	}{
		{Difference{"views", "1", "4"}, "views is 1, expected 4"},
		{Difference{"logits", "", "fc"}, "logits is none, expected fc"},
		{
			Difference{"model", testKey(1, "").Model, testKey(1, "").Dataset},
			"model is 9c1b0f5a2d7e…, expected 3f2a4b5c6d7e…",
		},
	} {
		if got := tt.d.String(); got != tt.want {
			t.Errorf("%q, want %q", got, tt.want)
		}
	}
}
