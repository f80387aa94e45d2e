"""Who is asking, and what they may see. The only place that decides.

- `identity`  tokens: how they are made, told apart and digested
- `launches`  launch tokens: signed, for one student and a few hours
- `page_policy`  what a page of ours may load
- `access`    one pure decision for every act on every thing
"""
