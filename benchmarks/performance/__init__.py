"""Load on the production configuration, compared with views that run raw SQL."""
