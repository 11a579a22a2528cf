// Holds nothing: precompiled headers need a source to be compiled with.
