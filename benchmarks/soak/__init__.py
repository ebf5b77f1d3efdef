"""A million calls with everything that happens to a daemon meanwhile; does anything grow?"""
