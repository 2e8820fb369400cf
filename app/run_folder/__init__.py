"""The folder of a run and that of a study: each file's name, what it holds, its one writer and its strict reader."""
