// Package objective makes what a student is trained for of the configuration's `loss` section: one sum of losses, and
// the head that turns embeddings into logits where a loss needs them. The losses themselves are package loss's.
package objective
