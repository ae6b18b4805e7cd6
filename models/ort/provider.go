package ort

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	ort "github.com/yalue/onnxruntime_go"
)

// ErrProvider is wrapped by errors about an execution provider that is not there or does not take its options.
var ErrProvider = errors.New("execution provider")

// providerSuffix ends the runtime's names of providers, which people leave out.
const providerSuffix = "ExecutionProvider"

// shortNames are what people call the providers whose full name does not begin so.
var shortNames = map[string]string{"directml": "dml", "trt": "tensorrt"}

// OnProcessor says whether sessions with these options run on the processor alone.
func (o Options) OnProcessor() bool { return o.provider() == "cpu" }

// provider is the provider's name, in short and in lower case.
func (o Options) provider() string {
	short := strings.ToLower(strings.TrimSuffix(o.Provider, providerSuffix))
	if long, ok := shortNames[short]; ok {
		return long
	}
	return cmp.Or(short, "cpu")
}

// CheckProvider says whether a session with these options can have its provider, without a model: ErrProvider where the
// library lacks it, or it does not take its options.
func CheckProvider(o Options) error {
	options, err := ort.NewSessionOptions()
	if err != nil {
		return clean(err)
	}
	return errors.Join(appendProvider(options, o), options.Destroy())
}

// appendProvider adds the provider that o names, before the processor, which takes what the provider cannot do.
func appendProvider(options *ort.SessionOptions, o Options) error {
	short := o.provider()
	if short == "cpu" {
		if len(o.ProviderOptions) > 0 {
			return fmt.Errorf("%w %q takes no options, expected none", ErrProvider, "cpu")
		}
		return nil
	}
	available, err := Providers()
	if err != nil {
		return err
	}
	name := func(full string) string { return strings.TrimSuffix(full, providerSuffix) }
	i := slices.IndexFunc(available, func(full string) bool { return strings.EqualFold(name(full), short) })
	if i < 0 {
		var has []string
		for _, full := range available {
			has = append(has, strings.ToLower(name(full)))
		}
		return fmt.Errorf("%w %q is not in ONNX Runtime %s, expected one that is: %s", ErrProvider, o.Provider,
			LibraryVersion(), strings.Join(has, ", "))
	}
	switch short {
	case "cuda":
		err = appendCUDA(options, o.ProviderOptions)
	case "tensorrt":
		err = appendTensorRT(options, o.ProviderOptions)
	case "coreml":
		err = options.AppendExecutionProviderCoreMLV2(o.ProviderOptions)
	case "openvino":
		err = options.AppendExecutionProviderOpenVINO(o.ProviderOptions)
	case "dml":
		err = appendDirectML(options, o.ProviderOptions)
	default:
		err = options.AppendExecutionProvider(available[i], o.ProviderOptions)
	}
	if err != nil {
		return fmt.Errorf("%w %q: %w (what it needs besides %q must be installed)", ErrProvider, o.Provider, clean(err),
			libraryPath())
	}
	return nil
}

func appendCUDA(options *ort.SessionOptions, values map[string]string) error {
	cuda, err := ort.NewCUDAProviderOptions()
	if err != nil {
		return err
	}
	if len(values) > 0 {
		err = cuda.Update(values)
	}
	if err == nil {
		err = options.AppendExecutionProviderCUDA(cuda)
	}
	return errors.Join(err, cuda.Destroy())
}

func appendTensorRT(options *ort.SessionOptions, values map[string]string) error {
	trt, err := ort.NewTensorRTProviderOptions()
	if err != nil {
		return err
	}
	if len(values) > 0 {
		err = trt.Update(values)
	}
	if err == nil {
		err = options.AppendExecutionProviderTensorRT(trt)
	}
	return errors.Join(err, trt.Destroy())
}

func appendDirectML(options *ort.SessionOptions, values map[string]string) error {
	device := 0
	for key, text := range values {
		n, err := strconv.Atoi(text)
		if key != "device_id" || err != nil {
			return fmt.Errorf("option %q is %q, expected only device_id with a number", key, text)
		}
		device = n
	}
	return options.AppendExecutionProviderDirectML(device)
}
