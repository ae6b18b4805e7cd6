package arch

// Defaults are the keys that belong to the section's form and may be left out, with what they then stand for.
func (c Config) Defaults() map[string]any {
	switch {
	case c.Conv != nil:
		return map[string]any{"norm": "batch", "pool": "max", "head": "flatten"}
	case c.MLP != nil:
		return map[string]any{"norm": "batch"}
	case c.Preset == "conv4":
		return map[string]any{"width": 64}
	case c.Preset != "":
		return map[string]any{"width": 16}
	case c.ONNX != "":
		return map[string]any{"output": "its only output", "batch_norm": "frozen", "head": "the embedding layer"}
	}
	return nil
}

// Defaults are the keys that belong to the layer's kind and may be left out, with what they then stand for.
func (l Layer) Defaults() map[string]any {
	switch l.Kind {
	case Conv:
		return map[string]any{
			"kernel": 3, "stride": 1, "pad": 0, "dilation": 1, "groups": 1, "bias": "true, unless batch_norm follows",
		}
	case ConvTranspose:
		return map[string]any{
			"kernel": 3, "stride": 1, "pad": 0, "dilation": 1, "output_pad": 0, "groups": 1,
			"bias": "true, unless batch_norm follows",
		}
	case Linear:
		return map[string]any{"bias": "true, unless batch_norm follows"}
	case MaxPool, AvgPool:
		return map[string]any{"kernel": 2, "stride": or(l.Kernel, 2), "pad": 0}
	case LeakyReLU:
		return map[string]any{"slope": 0.01}
	case Residual:
		return map[string]any{"shortcut": "the input itself"}
	}
	return map[string]any{}
}
