package teacher

// Logits name the tensor of a model that holds class scores, (N,C). In YAML a lone text is the tensor.
type Logits struct {
	Tensor string `yaml:"tensor"`
	// Top is the number of a sample's largest scores that a cache keeps; 0 keeps all. Run returns all of them in any case.
	Top int `yaml:"top,omitempty" within:"[1,65536]"`
}

// Shorthand names the key that a bare text sets.
func (*Logits) Shorthand() string { return "tensor" }

// MarshalYAML writes a tensor alone as a text, as files had it before there was Top.
func (l Logits) MarshalYAML() (any, error) {
	if l.Top == 0 {
		return l.Tensor, nil
	}
	type section Logits
	return section(l), nil
}
