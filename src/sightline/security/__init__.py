"""Who is asking, and what they may see. The only place that decides.

- `identity`  tokens: how they are made, told apart and digested
- `access`    one pure decision for every act on every thing
"""
