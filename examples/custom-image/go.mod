// A module of its own, as an adapter's is: it requires the library as an
// outsider does, without a replace directive.
module example.com/custom-image

go 1.25.0

require github.com/molecule-ai/workspace-runtime-go v0.1.0
