"""The pages: Streamlit, and nothing numerical."""
