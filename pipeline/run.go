package pipeline

import (
	"context"
	"fmt"
	"path/filepath"

	"go.yaml.in/yaml/v3"
)

// Run carries out all stages, precompute, distill, export, evaluate, skipping what is up to date and going on with what was
// interrupted.
func (r *Runner) Run(ctx context.Context) (*Results, error) {
	if err := r.writeConfig(); err != nil {
		return nil, err
	}
	if _, err := r.Precompute(ctx); err != nil {
		return nil, err
	}
	tasks := r.Experiment.Tasks()
	if err := r.Distill(ctx, tasks, true); err != nil {
		return nil, err
	}
	if _, err := r.Export(ctx, tasks); err != nil {
		return nil, err
	}
	return r.Evaluate(ctx, tasks)
}

// writeConfig keeps the resolved configuration in the run directory: every default written out, a section for each
// variant.
func (r *Runner) writeConfig() error {
	variants := yaml.Node{Kind: yaml.MappingNode}
	for _, v := range r.Experiment.Variants {
		var node yaml.Node
		change := map[string]any{
			"student": v.Config.Student, "loss": v.Config.Loss, "train": v.Config.Train, "export": v.Config.Export,
		}
		if err := node.Encode(change); err != nil {
			return fmt.Errorf("writing out variant %q: %w", v.Name, err)
		}
		setValue(&variants, v.Name, &node)
	}
	resolved := r.Experiment.Base
	resolved.Variants = variants
	data, err := yaml.Marshal(&resolved)
	if err != nil {
		return fmt.Errorf("writing out the configuration: %w", err)
	}
	return writeFile(filepath.Join(resolved.Dir, "config.yaml"), data)
}
