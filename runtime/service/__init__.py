"""RuntimeService over the spawner: the agent's side of our own runtime.

runtime.py keeps a mirror of what the spawner holds and answers from it; verbs that change something ask
the spawner (connection.py) and let its answer change the mirror. Losing the agent loses nothing: `start`
fills the mirror again.
"""
