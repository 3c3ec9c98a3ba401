export interface Rest {}
