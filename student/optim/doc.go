// Package optim updates weights from gradients: SGD, Adam and AdamW with their state in the open, so that a checkpoint
// can hold it (gorgonia's solvers hide theirs); learning-rate schedules; clipping. It knows neither graphs nor engines.
package optim
