package pipeline

import (
	"context"
	"runtime"

	"golang.org/x/sys/cpu"

	"rkd/datasets"
	"rkd/models/ort"
)

// Health is what a machine has of the things that a run needs.
type Health struct {
	Version  string   `json:"version"` // of rkd
	Platform string   `json:"platform"`
	Cores    int      `json:"cores"`
	CPU      []string `json:"cpu_features"`
	CacheDir string   `json:"cache_dir"`
	// Library is ONNX Runtime's library; LibraryProblem says why it cannot be used.
	Library        string   `json:"onnxruntime_library,omitempty"`
	LibraryVersion string   `json:"onnxruntime_version,omitempty"`
	Providers      []string `json:"onnxruntime_providers,omitempty"`
	LibraryProblem string   `json:"onnxruntime_problem,omitempty"`
	// MNIST says whether the demo's images are there, and whole.
	MNIST bool `json:"mnist"`
}

// Doctor looks at the machine. A missing or unusable library is part of the answer and the error too.
func (m Machine) Doctor(ctx context.Context) (*Health, error) {
	h := &Health{
		Version: m.Version, Platform: runtime.GOOS + "/" + runtime.GOARCH, Cores: runtime.GOMAXPROCS(0), CPU: cpuFeatures(),
		CacheDir: m.CacheDir, MNIST: true,
	}
	for _, split := range []string{"train", "test"} {
		if _, err := datasets.Open(ctx, datasets.Source{Kind: "mnist", Split: split},
			datasets.Resources{CacheDir: m.CacheDir}); err != nil {
			h.MNIST = false
		}
	}
	err := h.library(m.Library)
	if err != nil {
		h.LibraryProblem = err.Error()
	}
	return h, err
}

func (h *Health) library(explicit string) (err error) {
	if h.Library, err = ort.Find(explicit, h.CacheDir); err != nil {
		return err
	}
	if err = ort.Init(h.Library); err != nil {
		return err
	}
	h.LibraryVersion = ort.LibraryVersion()
	h.Providers, err = ort.Providers()
	return err
}

// cpuFeatures lists the vector instructions that matter to matrix products.
func cpuFeatures() []string {
	features := []string{}
	for _, f := range []struct {
		name string
		has  bool
	}{
		{"avx", cpu.X86.HasAVX},
		{"avx2", cpu.X86.HasAVX2},
		{"fma", cpu.X86.HasFMA},
		{"avx512f", cpu.X86.HasAVX512F},
		{"avx512vnni", cpu.X86.HasAVX512VNNI},
		{"amx", cpu.X86.HasAMXTile},
		{"asimd", cpu.ARM64.HasASIMD},
		{"sve", cpu.ARM64.HasSVE},
	} {
		if f.has {
			features = append(features, f.name)
		}
	}
	return features
}
