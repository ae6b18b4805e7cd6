package kubernetes

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/kubernetes/pkg/api/legacyscheme"
	"k8s.io/kubernetes/pkg/apis/batch"
	_ "k8s.io/kubernetes/pkg/apis/batch/install"
	"k8s.io/kubernetes/pkg/apis/core"
	_ "k8s.io/kubernetes/pkg/apis/core/install"
	"k8s.io/kubernetes/pkg/apis/core/validation"
	"k8s.io/kubernetes/pkg/registry/batch/job"
)

// Every rendered manifest is what Kubernetes' own types decode strictly, and what its API server accepts.
func TestManifests(t *testing.T) {
	files, err := filepath.Glob("../../pipeline/batch/testdata/kubernetes/*/*.yaml")
	if err != nil || len(files) < 10 {
		t.Fatalf("%d manifests (%v)", len(files), err)
	}
	decoder := serializer.NewCodecFactory(legacyscheme.Scheme, serializer.EnableStrict).UniversalDecoder()
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		o, _, err := decoder.Decode(data, nil, nil)
		if err != nil {
			t.Errorf("%s: %v", file, err)
			continue
		}
		var wrong field.ErrorList
		switch o := o.(type) {
		case *batch.Job:
			if o.Namespace == "" {
				o.Namespace = core.NamespaceDefault
			}
			o.UID = "0" // as the API server gives one
			job.Strategy.PrepareForCreate(context.Background(), o)
			wrong = job.Strategy.Validate(context.Background(), o)
		case *core.ConfigMap:
			if o.Namespace == "" {
				o.Namespace = core.NamespaceDefault
			}
			wrong = validation.ValidateConfigMap(o)
		default:
			t.Errorf("%s is a %T", file, o)
		}
		if len(wrong) > 0 {
			t.Errorf("%s: %v", file, wrong.ToAggregate())
		}
	}
}
