// Package loss holds the objectives that a student learns from: losses that compare how its rows relate to each other
// with how the teacher's rows do, losses on the teacher's rows and logits one by one, and losses on labels.
//
// A loss takes a batch of embeddings and gives its value and the gradient with respect to the student's rows. One that
// needs another width, or logits, gets it from a [Projection], whose weights it learns along with the student.
// Networks, optimisers and the making of batches are elsewhere (student/arch, student/optim, student/sampler). Any
// Gorgonia graph can use a relational loss through [RelationalDistance] and [RelationalAngle].
package loss
