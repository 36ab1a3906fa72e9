"""An app with next to nothing in it: what Streamlit itself costs on this machine, now."""

import streamlit as st

st.title("Empty")
if st.query_params.get("button"):
    count = st.session_state.setdefault("count", 0)

    def more() -> None:
        st.session_state.count += 1

    st.button("More", on_click=more)
    st.html(f"<div id='count' data-count='{count}'>{count}</div>")
