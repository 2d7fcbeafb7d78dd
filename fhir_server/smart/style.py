"""The EHR's style for apps.

https://hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html#styling
"""

from __future__ import annotations

STYLE = {
    "color_background": "#ffffff",
    "color_error": "#b00020",
    "color_highlight": "#0b5394",
    "color_modal_backdrop": "#1f2933",
    "color_success": "#1b6e3c",
    "color_text": "#1f2933",
    "dim_border_radius": "4px",
    "dim_font_size": "16px",
    "dim_spacing_size": "16px",
    "font_family_body": "system-ui, sans-serif",
    "font_family_heading": "system-ui, sans-serif",
}
"""All eleven parameters that SMART names, the colours of our own pages."""
