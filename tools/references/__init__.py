"""Write the pages of the reference that come from the code: one module a page.

python -m tools.references           write them
python -m tools.references --check   fail if one is not what would be written
"""
