"""Make the environment of the comparison: python -m benchmarks.frameworks"""

from benchmarks.common import say
from benchmarks.frameworks.run import ENVIRONMENT
from benchmarks.peers import environment

if __name__ == "__main__":
    environment.interpreter(ENVIRONMENT)
    say(f"TensorFlow {environment.pinned(ENVIRONMENT, 'tensorflow')} is there")
